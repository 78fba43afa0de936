"""Measurements and endurance runs, each one command: see README.md. No part of the package."""
