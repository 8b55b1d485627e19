// SPDX-License-Identifier: GPL-2.0
int planted(unsigned int a);

int planted(unsigned int a)
{
  a = a;
  return ( a&3 );
}
