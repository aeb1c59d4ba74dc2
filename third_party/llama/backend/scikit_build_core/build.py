"""Answers pip's question for a source package's name and version.

pip builds a source package's metadata even when it only downloads it. The
real build backend would fetch helpers that nobody pinned; the source is all
that is wanted here, so this one answers from the package's own PKG-INFO.
"""

import email
import os
import shutil


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as f:
        head = email.message_from_file(f)
    name = "%s-%s.dist-info" % (head["Name"], head["Version"])
    os.makedirs(os.path.join(directory, name))
    shutil.copy("PKG-INFO", os.path.join(directory, name, "METADATA"))
    return name
