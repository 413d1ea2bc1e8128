// A host that learns while it serves.
#include <pefa/live/live_retriever.hpp>

int main(int, char** argv) {
  const auto retriever = pefa::LiveRetriever::open(argv[1]);
  retriever->merge();
  return static_cast<int>(retriever->stats().passages);
}
