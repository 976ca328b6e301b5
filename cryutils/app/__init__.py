"""The course's widgets and the caregiver application.

Within the library, only the commands in `course` import this package.
"""
