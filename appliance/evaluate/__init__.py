"""How good a model is: metrics with intervals beside their floors, and two models in pairs on the same rows."""
