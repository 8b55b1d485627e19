# Only the licence line is missing here, and a use for the module.
import os
