"""What an operator may set, and how it is read. The only place that reads the environment."""
