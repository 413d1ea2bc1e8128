// The same where pefa::compiled is linked.
#define PEFA_COMPILED 1
#include "host.cpp"
