"""The part outside Blender: find it, start it, install the add-on. Never imports bpy."""
