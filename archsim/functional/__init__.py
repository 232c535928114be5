"""The accuracy model: data sets, and training in the number formats of the chip, on the schedule of the simulation."""
