"""The page on which one draws, photographs and teaches: its server, what it answers, and what the browser gets."""
