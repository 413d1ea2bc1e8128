# The README's quickstart is examples/quickstart.cpp, letter for letter.
file(READ "${README}" readme)
file(READ "${QUICKSTART}" quickstart)
string(FIND "${readme}" "${quickstart}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "README.md does not hold ${QUICKSTART} as it is; copy it in again")
endif()
