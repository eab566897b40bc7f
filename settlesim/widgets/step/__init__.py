"""`StepPanel`: one event, microstep by microstep."""
