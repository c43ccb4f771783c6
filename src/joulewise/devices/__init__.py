"""Hardware: what it can sense and be told, and twins that behave like it."""
