"""Celery: workers that do in the background what takes longer than an event may."""
