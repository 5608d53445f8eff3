"""The wiring of the pipeline and its settings."""

import msg_modules as msg_modules  # Before TFX: see `msg_modules.common.lazy_imports`.
