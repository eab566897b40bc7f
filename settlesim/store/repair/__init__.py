"""What is wrong with a store's files, and what a person can do about it."""
