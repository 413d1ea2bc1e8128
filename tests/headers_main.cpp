// Links every generated header unit with one more that includes everything: a definition that is not inline would
// clash.
#include "pefa/pefa.hpp"

int main() {
  return pefa::PassageId(0) == pefa::PassageId(0) ? 0 : 1;
}
