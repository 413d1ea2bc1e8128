#include "pefa/io/ids/uuid5.hpp"

#include <string>

#include "catch.hpp"

using pefa::io::uuid5;

// Expected values: Python's uuid.uuid5(uuid.NAMESPACE_OID, name).
TEST_CASE("uuid5: the UUIDs that another program makes of the same names") {
  REQUIRE(uuid5("p7") == "9d6b34b2-693f-5a49-8011-21c0e87a1007");
  REQUIRE(uuid5("") == "0a68eb57-c88a-5f34-9e9d-27f85e68af4f");
  REQUIRE(uuid5("\xC3\xBC") == "b704e3d7-b35f-5eed-b433-38a8f4dcac1c");
}

TEST_CASE("uuid5: names about the length of a block of the hash") {
  REQUIRE(uuid5(std::string(39, 'a')) == "f1174096-d32f-59b7-923f-13108e6b8840");
  REQUIRE(uuid5(std::string(40, 'a')) == "4c47ad2e-5862-579b-92b9-6cd177de2a7a");
  REQUIRE(uuid5(std::string(48, 'a')) == "e0c791fb-9e10-5a2b-8ddb-eeda3783c45a");
  REQUIRE(uuid5(std::string(55, 'a')) == "e8dbed83-3646-5e73-9475-eb181e4dd25e");
  REQUIRE(uuid5(std::string(200, 'x')) == "a4820d40-cb19-5c7e-8ef3-e16d7d1d063a");
}
