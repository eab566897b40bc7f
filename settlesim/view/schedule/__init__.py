"""Pictures of one schedule: who did what, step by step."""
