"""How regions deal with each other: sessions, membership, inventory, routing, the handoff, and who is told of it."""
