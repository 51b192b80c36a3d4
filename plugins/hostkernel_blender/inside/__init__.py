"""What runs in Blender's process, and imports bpy."""
