// The retrievers, compiled once, where there is no pefa::compiled to link: most of the command's compile time.
#include <pefa/serve_impl.hpp>
