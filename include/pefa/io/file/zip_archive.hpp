// pefa: members of a ZIP archive, in and out, through libzip.
//
// Needs libzip (zip.h, -lzip), so pefa.hpp does not include it. Members are stored or deflated, nothing else: what one
// inflates to is checked against what its compressed bytes could hold before any of it is read.
#pragma once

#include <zip.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/replaceable.hpp"

namespace pefa::io::detail {

struct ZipDiscard {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
};
struct ZipClose {
  void operator()(zip_file_t* member) const noexcept { (void)zip_fclose(member); }
};
using ZipHandle = std::unique_ptr<zip_t, ZipDiscard>;

[[nodiscard]] inline std::string zip_error_text(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

/// One member as it streams out of its archive, which must outlive it.
class ZipMember {
 public:
  ZipMember(zip_file_t* file, std::string name, std::uint64_t size)
      : file_(file), name_(std::move(name)), size_(size) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }  ///< "archive:member"
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }       ///< inflated, as the archive says

  /// The next `count` bytes. @throws FormatError  they are damaged, or not there
  void read(char* bytes, std::size_t count) {
    while (count > 0) {
      const zip_int64_t got = zip_fread(file_.get(), bytes, count);
      if (got < 0) {
        pefa::detail::fail<FormatError>(name_, ": cannot be inflated past byte ", position_, ": ",
                                        zip_error_strerror(zip_file_get_error(file_.get())));
      }
      if (got == 0) {
        pefa::detail::fail<FormatError>(name_, ": ends after ", position_, " bytes, expected ", size_);
      }
      bytes += got;
      count -= static_cast<std::size_t>(got);
      position_ += static_cast<std::uint64_t>(got);
    }
  }

  /// Checks that the member ends here, and its checksum. @throws FormatError  it does not
  void finish() {
    char more = 0;
    const zip_int64_t got = zip_fread(file_.get(), &more, 1);
    if (got < 0) {
      pefa::detail::fail<FormatError>(name_, ": is damaged: ", zip_error_strerror(zip_file_get_error(file_.get())));
    }
    if (got > 0) pefa::detail::fail<FormatError>(name_, ": goes on after its ", size_, " bytes");
  }

 private:
  std::unique_ptr<zip_file_t, ZipClose> file_;
  std::string name_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
};

/// An archive to read from.
class ZipReader {
 public:
  /// @param budget  bytes that all the members opened may inflate to
  /// @throws IoError  the file cannot be read  @throws FormatError  it is no ZIP archive
  ZipReader(const std::filesystem::path& path, std::uint64_t budget)
      : name_(path.string()), budget_(budget), left_(budget) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      pefa::detail::fail<IoError>(name_, ": is a directory, expected a file");
    }
    file_size_ = std::filesystem::file_size(path, error);
    if (error) pefa::detail::fail<IoError>(name_, ": cannot be opened: ", error.message());
    int code = 0;
    archive_.reset(zip_open(name_.c_str(), ZIP_RDONLY, &code));
    if (archive_ != nullptr) return;
    if (code == ZIP_ER_OPEN || code == ZIP_ER_READ || code == ZIP_ER_MEMORY || code == ZIP_ER_NOENT) {
      pefa::detail::fail<IoError>(name_, ": cannot be read: ", zip_error_text(code));
    }
    pefa::detail::fail<FormatError>(name_, ": is not a whole ZIP archive of ", file_size_,
                                    " bytes: ", zip_error_text(code));
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t file_size() const noexcept { return file_size_; }

  /// @throws FormatError  no such member, one that is neither stored nor deflated, one that claims to inflate to more
  /// than deflating can achieve, or to more than what is left of the budget
  [[nodiscard]] ZipMember open(const char* member) {
    const std::string full_name = name_ + ":" + member;
    zip_stat_t status;
    zip_stat_init(&status);
    if (zip_stat(archive_.get(), member, 0, &status) != 0) {
      pefa::detail::fail<FormatError>(name_, ": has no member ", member);
    }
    constexpr std::uint64_t needed = ZIP_STAT_INDEX | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((status.valid & needed) != needed) pefa::detail::fail<FormatError>(full_name, ": has no sizes in the archive");
    if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE) {
      pefa::detail::fail<FormatError>(full_name, ": has compression method ", status.comp_method,
                                      ", expected stored (0) or deflated (8)");
    }
    constexpr std::uint64_t most_inflation = 1032;  // deflate's best: 258 bytes from two bits
    const std::uint64_t ratio = status.comp_method == ZIP_CM_STORE ? 1 : most_inflation;
    if (status.comp_size > file_size_ || status.size / ratio > status.comp_size) {
      pefa::detail::fail<FormatError>(full_name, ": claims ", status.size, " bytes from ", status.comp_size,
                                      " compressed, in a file of ", file_size_);
    }
    if (status.size > left_) {
      pefa::detail::fail<FormatError>(full_name, ": inflates to ", status.size,
                                      " bytes, which takes the archive past the ", budget_, " allowed");
    }
    left_ -= status.size;
    zip_file_t* file = zip_fopen_index(archive_.get(), status.index, 0);
    if (file == nullptr) {
      pefa::detail::fail<FormatError>(full_name, ": cannot be opened: ", zip_strerror(archive_.get()));
    }
    return {file, full_name, status.size};
  }

 private:
  std::string name_;
  std::uint64_t budget_;
  std::uint64_t left_;
  std::uint64_t file_size_ = 0;
  ZipHandle archive_;
};

/// An archive to write: it appears whole at commit(), or not at all.
class ZipWriter {
 public:
  /// @throws IoError  the file cannot be opened for writing
  explicit ZipWriter(const std::filesystem::path& path, StopCheck stop = {})
      : name_(path.string()), stop_(std::move(stop)) {
    require_replaceable(path);
    int code = 0;
    archive_.reset(zip_open(name_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
    if (archive_ == nullptr) {
      pefa::detail::fail<IoError>(name_, ": cannot be opened for writing: ", zip_error_text(code));
    }
  }

  /// A member made of two pieces, one after the other; their bytes must stay until commit().
  void add(const char* member, std::string_view first, std::string_view second, bool deflate) {
    zip_buffer_fragment_t pieces[2] = {piece(first), piece(second)};
    zip_source_t* source = zip_source_buffer_fragment(archive_.get(), pieces, second.empty() ? 1 : 2, 0);
    const zip_int64_t index = source == nullptr ? -1 : zip_file_add(archive_.get(), member, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      fail_to_write();
    }
    const auto place = static_cast<zip_uint64_t>(index);
    constexpr zip_uint16_t first_of_1980 = 1 << 5 | 1;  // the same bytes for the same matrix, whenever
    if (zip_set_file_compression(archive_.get(), place, deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive_.get(), place, 0, first_of_1980, 0) != 0) {
      fail_to_write();
    }
  }

  /// Writes it all under a temporary name and renames it. @throws IoError  that failed  @throws Cancelled
  void commit() {
    const auto asked = [](zip_t*, void* stop) { return (*static_cast<StopCheck*>(stop))() ? 1 : 0; };
    if (stop_) zip_register_cancel_callback_with_state(archive_.get(), asked, nullptr, &stop_);
    if (zip_close(archive_.get()) != 0) {
      if (zip_error_code_zip(zip_get_error(archive_.get())) != ZIP_ER_CANCELLED) fail_to_write();
      pefa::detail::fail<Cancelled>(name_, ": stopped before it was whole");
    }
    (void)archive_.release();
  }

 private:
  [[nodiscard]] static zip_buffer_fragment_t piece(std::string_view bytes) noexcept {
    // libzip only reads what it is given; its type serves writing too.
    return {reinterpret_cast<zip_uint8_t*>(const_cast<char*>(bytes.data())), bytes.size()};
  }

  [[noreturn]] void fail_to_write() const {
    pefa::detail::fail<IoError>(name_, ": could not be written whole: ", zip_strerror(archive_.get()));
  }

  std::string name_;
  StopCheck stop_;
  ZipHandle archive_;
};

}  // namespace pefa::io::detail
