"""Predictions, scores with bootstrap intervals, baselines, leaderboards and calibration.

Begin with `predictions.Predictions` and `scores`.
"""
