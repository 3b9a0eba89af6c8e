/*
 * fields.h - the tables that say which key of the file is which member of which struct.
 *
 * One table per struct. Reader, printer, example and comparison all walk the same tables.
 */
#pragma once
#include "config_internal.h"

enum field_kind {
	/* values written as one scalar */
	FIELD_BOOL,
	FIELD_CHOICE,       /* one of @words; integer of @size bytes */
	FIELD_NUMBER,       /* @min to @max, or one of @words; integer of @size bytes */
	FIELD_SIZE,         /* number with k, m, g (1024) */
	FIELD_PERCENT,      /* number with % */
	FIELD_RATE,         /* number per second: 500/s */
	FIELD_SECONDS,      /* duration, stored in seconds */
	FIELD_MILLISECONDS, /* duration, stored in milliseconds */
	FIELD_NAME,         /* char[size]: letters, digits, . _ - */
	FIELD_TOKEN,        /* char[size]: printable ASCII without blanks */
	FIELD_TEXT,         /* char[size]: printable ASCII */
	FIELD_PATH,         /* char[size]: absolute file name */
	FIELD_INTERFACE,    /* char[size]: name of a network interface */
	FIELD_DOMAIN,       /* char *: kept absolute and in lower case */
	FIELD_ADDRESS,      /* struct addr */
	FIELD_PREFIX,       /* struct prefix */
	FIELD_PORTS,        /* two uint16_t: first and last */
	FIELD_POOL4,        /* struct pool4_conf, its addresses */
	FIELD_PRESET,       /* struct health_conf, from a name */
	FIELD_N_SCALARS,
	/* values written as more than that */
	FIELD_RECORD = FIELD_N_SCALARS,
	FIELD_LIST,
	FIELD_SET,     /* list of @words, stored as bits of an integer of @size bytes */
	FIELD_UNBUILT, /* refused by name; @words: what may stand there */
	FIELD_INCLUDE  /* not a value: was obeyed when the file was read */
};

enum field_flags {
	FIELD_REQUIRED = 1,
	FIELD_OPTIONAL = 2, /* all bytes zero: absent */
	FIELD_IPV6_ONLY = 4,
	FIELD_IPV4_ONLY = 8,
	FIELD_ALTERNATIVE = 16 /* the example shows it, but it cannot stand beside the others */
};

/** struct word - a word that stands for a value. @unbuilt: refused by name. The table ends with
 *  text NULL. */
struct word {
	const char *text;
	int64_t value;
	bool unbuilt;
};

struct field;

/**
 * struct list - where a list lies
 * @item:     how one entry is read; its @at is 0 and its @size the distance between entries
 * @count_at, @count_size: the number of entries in the struct
 * @in_place: the entries lie in the struct itself; else a pointer to them does
 * @word, @word_at: a word that may stand instead of the list and sets a bool
 */
struct list {
	const struct field *item;
	size_t count_at, count_size, min, max;
	bool in_place;
	const char *word;
	size_t word_at;
};

/**
 * struct record - one table
 * @size:      of the struct; 0: the keys are a group, their members belong to the struct around
 * @short_key: a scalar in place of the map is the value of this key
 * @flow:      printed as {..}
 * @init:      defaults: of an entry of a list; of a part of a struct when its key is there
 * @finish:    what follows from all keys together
 */
struct record {
	const char *what;
	const struct field *field;
	size_t n, size;
	const char *short_key;
	bool flow;
	void (*init)(void *base);
	void (*finish)(struct reader *r, struct tree *t, void *base);
};

/**
 * struct field - one key
 * @at, @size:  of the member
 * @min, @max:  inclusive, in the unit stored
 * @present_at: bool that says the key is there; 0: none
 * @shown:      false: not printed and not compared, for what the value of another key rules out
 * @restart:    full name, if a change needs a restart
 * @placed:     full name, if its place in the file is asked for later; so is that of @restart
 * @example:    what the example file shows where there is no default
 */
struct field {
	const char *key;
	enum field_kind kind;
	unsigned flags;
	size_t at, size;
	uint64_t min, max;
	const struct word *words;
	const struct record *record;
	const struct list *list;
	size_t present_at;
	bool (*shown)(const void *base);
	const char *restart, *placed, *example, *help;
};

/** config__record - the whole file: base is a struct config. */
extern const struct record config__record;

/** field__member() - of the struct at @base. */
void *field__member(const struct field *f, void *base);
const void *field__member_const(const struct field *f, const void *base);

/** integer__get(), integer__set() - @size: 1, 2, 4 or 8 bytes. */
int64_t integer__get(const void *at, size_t size);
void integer__set(void *at, size_t size, int64_t value);

enum { VALUE_TEXT_MAX = 320 };

/** value__read() - a scalar into @member. Return: 0; -EINVAL, @hint then perhaps says more than
 *  value__expected() does; -ENOMEM. */
int value__read(const struct field *f, const char *text, void *member, struct memory *m,
		struct err *hint);
/** value__write() - as the file would say it, without quotes. Return: @out. */
const char *value__write(const struct field *f, const void *member, char out[VALUE_TEXT_MAX]);
/** value__expected() - "a duration from 2m to 7d". Return: @out. */
const char *value__expected(const struct field *f, char out[VALUE_TEXT_MAX]);

/** word__find(), word__of() - by text, by value; NULL if there is none. */
const struct word *word__find(const struct word *words, const char *text);
const struct word *word__of(const struct word *words, int64_t value);

/** field__present() - it is in the configuration at @base and would be printed. */
bool field__present(const struct field *f, const void *base);
/** list__count(), list__item() - of the list @f in the struct at @base. */
size_t list__count(const struct field *f, const void *base);
const void *list__item(const struct field *f, const void *base, size_t i);
/** list__is_word() - the word stands in place of the list. */
bool list__is_word(const struct field *f, const void *base);
