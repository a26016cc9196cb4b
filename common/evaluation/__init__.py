"""Predictions, scores with bootstrap intervals, baselines, cross-validation and leaderboards.

Begin with `predictions.predict` and `judging.judge`.
"""
