// pefa: to come.
#pragma once

namespace pefa {
void exact_search();
}  // namespace pefa
