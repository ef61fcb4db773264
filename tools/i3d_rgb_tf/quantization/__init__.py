"""FP32 IR and calibration videos -> INT8 IR that meets the acceptance criteria."""
