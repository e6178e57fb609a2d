from recognition.determinism import pin_arithmetic

pin_arithmetic()
