"""The modules that run in Blender's process and import bpy."""
