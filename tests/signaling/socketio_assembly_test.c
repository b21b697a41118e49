#include "signaling/socketio_assembly.h"
#include "tests/t.h"

static struct sio_assembly *begin(const char *text)
{
    struct sio_packet packet;

    T_EQ(sio_packet_parse(&packet, (struct span){(const uint8_t *)text, strlen(text)}), RC_OK);
    struct sio_assembly *const assembly = sio_assembly_create(&packet);
    T_OK(assembly);
    return assembly;
}

static void a_packet_is_whole_when_all_attachments_have_come(void)
{
    char text[] = "52-/room,[\"a\",{\"_placeholder\":true,\"num\":1}]";
    struct sio_assembly *const assembly = begin(text);

    memset(text, 'x', sizeof text - 1); /* the packet's bytes were borrowed */
    T_OK(!sio_assembly_complete(assembly));
    T_EQ(sio_assembly_add(assembly, SPAN_LITERAL("abc"), 100), RC_OK);
    T_OK(!sio_assembly_complete(assembly));
    T_EQ(sio_assembly_add(assembly, SPAN_LITERAL(""), 100), RC_OK);
    T_OK(sio_assembly_complete(assembly));
    T_EQ(assembly->bytes, 3);
    T_EQ(assembly->attachment[0].n, 3);
    T_MEM(assembly->attachment[0].p, "abc", 3);
    T_EQ(assembly->attachment[1].n, 0);
    T_EQ(assembly->packet.namespace.n, 5);
    T_MEM(assembly->packet.namespace.p, "/room", 5);
    sio_assembly_free(assembly);
}

static void the_sum_of_the_attachments_is_limited(void)
{
    struct sio_assembly *const assembly = begin("53-[\"a\"]");

    T_EQ(sio_assembly_add(assembly, SPAN_LITERAL("12345"), 8), RC_OK);
    T_EQ(sio_assembly_add(assembly, SPAN_LITERAL("1234"), 8), RC_FULL);
    T_EQ(sio_assembly_add(assembly, SPAN_LITERAL("123"), 8), RC_OK);
    T_EQ(sio_assembly_add(assembly, SPAN_LITERAL("1"), 8), RC_FULL);
    T_EQ(assembly->count, 2);
    sio_assembly_free(assembly);
}

static void freeing_nothing_is_fine(void)
{
    sio_assembly_free(NULL);
}

static const struct t_case cases[] = {
    T_CASE(a_packet_is_whole_when_all_attachments_have_come),
    T_CASE(the_sum_of_the_attachments_is_limited),
    T_CASE(freeing_nothing_is_fine),
};
T_MAIN(cases)
