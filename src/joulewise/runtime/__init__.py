"""Where decisions meet running work: loops that apply settings, measure, tell the decider, and put everything back."""
