"""What runs beside Blender: finds it, starts it, brings the add-on to it. Never imports bpy."""
