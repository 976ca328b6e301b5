"""Trained models at work: predictions for files and windows, readings and episodes of crying."""
