"""Checks the queue: is there work to start a model for, is the queue drained, is it still empty?"""
