"""All classes of the .keras files of teachers and students: after this import, `keras.models.load_model` reads them."""

import nn.student
import nn.teacher  # noqa: F401
