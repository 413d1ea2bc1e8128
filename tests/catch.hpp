// Catch2, version 2 or 3, under one name, and the check that an error says what it should.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <exception>
#include <string>

/// Requires that `expression` throws exactly `Type` and that its message contains `text`: both are promises.
#define REQUIRE_ERROR(Type, text, ...)                                             \
  do {                                                                             \
    std::string pefa_test_message = "no error";                                    \
    try {                                                                          \
      (void)(__VA_ARGS__);                                                         \
    } catch (const Type& pefa_test_error) {                                        \
      pefa_test_message = pefa_test_error.what();                                  \
    } catch (const std::exception& pefa_test_error) {                              \
      pefa_test_message = std::string("another type: ") + pefa_test_error.what();  \
    }                                                                              \
    INFO("message: " << pefa_test_message << "\nexpected to contain: " << (text)); \
    REQUIRE(pefa_test_message.find(text) != std::string::npos);                    \
  } while (false)
