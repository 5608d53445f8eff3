"""The TFX pipeline, its settings and its runners."""

import msg_modules as msg_modules  # Before TFX: see `msg_modules.common.lazy_imports`.
