// pefa: the library's version, as CMake reads it too.
#pragma once

#define PEFA_VERSION_MAJOR 0
#define PEFA_VERSION_MINOR 1
#define PEFA_VERSION_PATCH 0
