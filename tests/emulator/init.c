// The only process of the emulated machine (scripts/emulate): runs /tests with the arguments in /arguments, one a
// line, and prints how they ended.
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kMost = 30 };

int main(void) {
  static char lines[kMost][256];
  char* arguments[kMost + 2] = {"/tests"};
  FILE* file = fopen("/arguments", "r");
  for (int i = 0; file && i < kMost && fgets(lines[i], sizeof lines[i], file); ++i) {
    lines[i][strcspn(lines[i], "\n")] = 0;
    arguments[i + 1] = lines[i];
  }
  int status = 1;
  const pid_t child = fork();
  if (child == 0) {
    execv("/tests", arguments);
    perror("/tests");
    _exit(127);
  }
  waitpid(child, &status, 0);
  if (WIFEXITED(status))
    printf("emulate: exit code %d\n", WEXITSTATUS(status));
  else
    printf("emulate: killed by signal %d\n", WTERMSIG(status));
  fflush(stdout);
  for (;;) pause();  // scripts/emulate ends the machine
}
