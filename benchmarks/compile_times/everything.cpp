// pefa/pefa.hpp included, nothing of it used.
#include "pefa/pefa.hpp"
