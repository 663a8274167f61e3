"""Reward models: regression over attributes. Losses are pure functions; training runs on the engine's loop."""
