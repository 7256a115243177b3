"""Why a call goes where it goes: names that people have for both sides, and the answer, for commands and pages."""
