// Prints the text of each row of an ids file, one a line: "pos offset kind index" points into WordNet's own data files
// (Debian's wordnet-base; format: wndb(5WN)), so that the repository ships vectors and no text.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::string trimmed(std::string text) {
  const std::size_t first = text.find_first_not_of(" ;");
  const std::size_t last = text.find_last_not_of(" ;");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

/// The `index`-th quoted passage of a gloss.
std::string example(const std::string& gloss, std::size_t index) {
  std::size_t begin = gloss.find('"');
  for (std::size_t i = 0; i < index && begin != std::string::npos; ++i) {
    begin = gloss.find('"', gloss.find('"', begin + 1) + 1);
  }
  return begin == std::string::npos ? "" : gloss.substr(begin + 1, gloss.find('"', begin + 1) - begin - 1);
}

/// The `index`-th word of a synset line, as a person would write it.
std::string lemma(const std::string& line, std::size_t index) {
  std::istringstream fields(line);
  std::string field;
  for (std::size_t i = 0; i < 5 + 2 * index; ++i) fields >> field;
  field = field.substr(0, field.find('('));  // a syntactic marker such as "(p)"
  for (char& c : field) c = c == '_' ? ' ' : c;
  return field;
}

class WordNet {
 public:
  explicit WordNet(std::string directory) : directory_(std::move(directory)) {}

  std::string text(const std::string& pos, long offset, const std::string& kind, std::size_t index) {
    const std::string line = synset(pos, offset);
    if (kind == "lemma") return lemma(line, index);
    const std::size_t bar = line.find("| ");
    if (bar == std::string::npos)
      throw std::runtime_error("data." + pos + ": no gloss at byte " + std::to_string(offset));
    const std::string gloss = line.substr(bar + 2);
    return kind == "example" ? example(gloss, index) : trimmed(gloss.substr(0, gloss.find("; \"")));
  }

 private:
  std::string synset(const std::string& pos, long offset) {
    auto [entry, is_new] = files_.try_emplace(pos);
    std::ifstream& file = entry->second;
    if (is_new) file.open(directory_ + "/data." + pos);
    std::string line;
    if (!file.seekg(offset) || !std::getline(file, line)) {
      throw std::runtime_error(directory_ + "/data." + pos + ": cannot be read at byte " + std::to_string(offset) +
                               "; is wordnet-base installed?");
    }
    return line;
  }

  std::string directory_;
  std::map<std::string, std::ifstream> files_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: wordnet_text IDS.tsv [WORDNET_DIRECTORY]\n");
    return 2;
  }
  std::ifstream ids(argv[1]);
  if (!ids) throw std::runtime_error(std::string(argv[1]) + ": cannot be opened");
  WordNet wordnet(argc > 2 ? argv[2] : "/usr/share/wordnet");
  std::string pos;
  std::string kind;
  long offset = 0;
  std::size_t index = 0;
  while (ids >> pos >> offset >> kind >> index) std::cout << wordnet.text(pos, offset, kind, index) << '\n';
} catch (const std::exception& error) {
  std::fprintf(stderr, "wordnet_text: %s\n", error.what());
  return 1;
}
