"""What an operator decides about who gets the region's capacity: the document, and what may not be in it."""
