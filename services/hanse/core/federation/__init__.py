"""How regions deal with each other: messages, sessions, membership, inventory, routing, and the handoff."""
