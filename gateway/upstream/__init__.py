"""What the vendor speaks, and how much of it we may use."""
