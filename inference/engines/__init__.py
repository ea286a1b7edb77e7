"""Engines: whatever turns a `Request` into a `Completion`, step by step."""
