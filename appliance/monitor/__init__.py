"""What the appliance counts about itself."""
