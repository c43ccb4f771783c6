"""How the tables came to be what they are; run by themselves when a store is opened."""
