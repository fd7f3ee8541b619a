"""Earlier place of :func:`droco_lite.files.atomic_folder`."""

from droco_lite.files import atomic_folder as atomic_folder
