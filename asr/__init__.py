"""Offline speech recognition for your own voice commands: MFCC into a transformer, text out."""
