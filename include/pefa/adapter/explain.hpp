// pefa: to come.
#pragma once

namespace pefa {
void explain();
}  // namespace pefa
